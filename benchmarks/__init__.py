"""Speed goals as ratios: what we do and what it is compared with run side by side, in one run, on one machine."""
