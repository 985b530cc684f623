"""The life of an order: planned, journalled, passed by the gate, filled, booked."""
