"""Forms of payments: one amount from many payers, to many payees, or going round."""
