"""``python -m scenehue`` is ``scenehue``."""

from scenehue.cli import main

if __name__ == "__main__":
    main()
