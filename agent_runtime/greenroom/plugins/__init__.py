"""Ways to calls, ears, voices and models, one package each.

`from greenroom.plugins import local` brings a plugin in; none loads its engine before it is used.
"""
