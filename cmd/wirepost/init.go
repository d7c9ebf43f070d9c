package main

func (c *command) init([]string) int { return exitDone }
