"""Where actors run: the pool of threads, its watchdog, its guest on a host's thread, threads of one actor."""
