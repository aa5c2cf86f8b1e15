"""What a run found out, in words, tables and charts: in the terminal, as HTML, two runs compared.

Everything here is made from `measuring.results` alone, so that it can be made again later.
"""
