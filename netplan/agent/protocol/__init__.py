"""What the controller and a node say to each other, key by key. docs/protocol.md is made from this package.

Shapes and numbers only, and nothing but the standard library: the files travel to the nodes with the rest of the agent.
A node reads the numbers (``limits``) and imports the shapes for the type checker alone. A class whose name ends in
Optional has the keys that may be absent. Sizes are bytes, times seconds; ``None`` is JSON's null. The controller checks
a reply against these shapes where it arrives; a node trusts its controller.
"""
