"""The HTTP service and the analyst's desk in a browser: findings out, decisions in.

`snapshot` holds the findings of a store in memory, `keys` says who may do what, `limits` bounds every request, `api`
answers programs with JSON, `desk` answers people with pages, and `app` puts them together. It needs the extra `serve`.
"""
