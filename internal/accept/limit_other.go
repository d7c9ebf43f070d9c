//go:build !unix

package accept

func descriptorLimit() int { return 0 }
