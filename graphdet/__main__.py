"""`python -m graphdet`: the same as the command graphdet, where scripts are not on the path."""

from graphdet.cli.main import main

if __name__ == "__main__":
    main()
