"""An OpenAPI 3 document as a contract that requests are held to.

Start reading at `contract.py` (what is checked), then `document.py` (the file, with places for errors), `schema.py`
(schemas as JSON Schema) and `parameters.py` (texts as what schemas are about). `inspector.py` is the part of the
transaction.
"""
