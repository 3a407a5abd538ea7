// The MCP target.
