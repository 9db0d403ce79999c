package emulator

type subscription struct{}
