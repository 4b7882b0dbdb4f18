"""The tools, for clients that speak the Model Context Protocol: over stdin and stdout, or over HTTP.

Built on the low-level server of the official SDK: what a tool is, its schemas and its answers are ours, from `tools`;
the SDK's `MCPServer` would make schemas of its own from Python signatures. A caller is who the host says (flags, a
token), never what a client's arguments say.
"""
