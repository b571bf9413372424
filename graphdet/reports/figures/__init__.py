"""The drawings of the reports: inline SVG whose colours are CSS custom properties.

Targets carry one number and one colour through all drawings of a ring: the number is their place in the table.
Each drawing has a form for few members, where every account is a mark, and one for many, where rows are
gathered into bands; which one is chosen by the size alone.
"""
