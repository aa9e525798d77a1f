"""One file a stage, found by file name: its class is `Stage`. Scores and attacks are lists of their own."""
