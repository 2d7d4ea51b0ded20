"""A step for Headgate: keeps the network of an IP address and zeroes its host part."""
