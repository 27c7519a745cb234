"""Which resources the server offers: built-in ones and those of CustomResourceDefinitions."""
