"""From a fleet's world to the objects that serve it. Pure: no I/O, no clock; same world, same bytes.

`render_fleet` (fleet.py) is the way in. The one exception to purity is `template_files`, which reads templates once.
"""
