"""What a run leaves on the disk: for every file what it holds, the one writer and the one reader."""
