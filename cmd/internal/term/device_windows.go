package term

// terminalDevice is the console's input.
const terminalDevice = "CONIN$"
