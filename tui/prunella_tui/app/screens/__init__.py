"""The screens: the main one, the map, and the dialogs."""
