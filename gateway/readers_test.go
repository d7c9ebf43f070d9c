package gateway

func runReaderProcess() bool { return false }
