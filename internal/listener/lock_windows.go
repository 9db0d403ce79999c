package listener

import "context"

func lockDirectory(context.Context, string) (unlock func(), err error) { return func() {}, nil }
