from netc import layer, op

@layer("SoftSign")
def softsign(ctx, x):
    return x / (1.0 + op.Abs(x)
