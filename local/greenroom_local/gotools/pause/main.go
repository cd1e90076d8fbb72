// Command pause holds a pod's namespaces: it does nothing until it is told to end.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGINT, syscall.SIGTERM)
	// As process 1 of a pod with a shared process namespace it inherits orphans: the kernel collects those of
	// a parent that ignores SIGCHLD.
	signal.Ignore(syscall.SIGCHLD)
	<-ended
}
