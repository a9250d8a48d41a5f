"""Who answers requests: a language model behind an endpoint, a script, or the embedded rules."""
