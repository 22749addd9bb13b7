"""Text that people post: every file reads one family of formats and makes of it what the readers of JSON make.

None of the parsers of others is used: jc, textfsm with ntc-templates and ciscoconfparse2 were tried. The first two drop
the line of a value, which every finding names, and the details of ``ip -d``; the third takes a second to import.
"""
