"""The kinds of channels: one module each, listed in `checkend.notifications.channels.kinds`."""
