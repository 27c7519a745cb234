"""The objects of the API as pydantic models, one file a kind; pure values, no I/O."""
