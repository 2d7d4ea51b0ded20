"""From a fleet's world to the objects that serve it. Pure: no I/O, no clock; same world, same bytes."""
