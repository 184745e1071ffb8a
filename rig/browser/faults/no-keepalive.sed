# ctaphid/device_job.go TestDelayedTouch
# The key says that it waits for a touch once, and not again and again.
s/j.beat.Reset(d.cfg.Keepalive)/j.beat.Stop()/
