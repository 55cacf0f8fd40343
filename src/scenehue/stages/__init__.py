"""One module a DVC stage: reads the artifacts of the stages before it, calls the rooms, writes its own."""
