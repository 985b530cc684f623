"""A conformance suite for each kind of plugin, a module each; `suite` has what every plugin must do."""
