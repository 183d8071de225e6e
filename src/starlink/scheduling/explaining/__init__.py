"""Why an instance has no place: what each filter says, the nearest server, and the smallest change that would fit."""
