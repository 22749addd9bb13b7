"""What an unmanaged peer has to be told, in the words of the programs that such hosts run.

:mod:`.ends` is what all of them say; each other module writes one file and knows what its program can't say.
"""
