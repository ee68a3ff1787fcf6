"""Ways in for programs written for other libraries; each is a package of its own.

==========  ====================================================================
pykka       Pykka's actors: a program changes its import line and nothing else
==========  ====================================================================
"""
