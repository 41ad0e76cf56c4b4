"""What people look at: the terminal, tables and figures. Nothing here decides anything."""
