"""The page of `graphdet eda`: drawings, sentences and tables, made from the document that eda.json holds."""
