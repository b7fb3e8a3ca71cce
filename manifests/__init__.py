"""The kinds people write, version by version, their conversion to the domain, and the contract on the wire. Pure."""
