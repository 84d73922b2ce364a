"""The commands that Caffe's users know from its tools: upgrade, data, extract-features, draw."""

import click

from netc.commands.options import job_of, options


@click.command()
@click.argument("source")
@click.argument("output")
def upgrade(source: str, output: str) -> None:
    """Write SOURCE, a net, weights or a solver in an old format of Caffe (V0, V1), in the current one to OUTPUT.

    Their suffixes say what is text and what is binary; values of learned blobs are kept.

    Example: netc upgrade old.caffemodel new.caffemodel
    """
    from netc.spec.convert import upgrade_file

    click.echo(upgrade_file(source, output), nl=False)


@click.group()
def data() -> None:
    """Make Caffe's databases and mean images."""


@data.command("convert-imageset")
@click.argument("root")
@click.argument("listing")
@click.argument("database")
@click.option("--gray", is_flag=True, help="One channel.")
@click.option("--shuffle", is_flag=True, help="In an order of chance.")
@click.option("--seed", default=0, show_default=True, help="Of that order.")
@click.option("--resize-width", default=0, help="Width of all images [default: their own].")
@click.option("--resize-height", default=0, help="Height of all images [default: their own].")
@click.option("--check-size", is_flag=True, help="Images of another size than the first are an error.")
@click.option("--encoded", is_flag=True, help="Keep the bytes of the files.")
def convert_imageset(
    root: str, listing: str, database: str, gray: bool, shuffle: bool, seed: int, resize_width: int, resize_height: int, check_size: bool,
    encoded: bool,
) -> None:  # fmt: skip
    """Write the images that LISTING names, a line `path label` each, below the folder ROOT, into a new LMDB DATABASE.

    Example: netc data convert-imageset photos/ train.txt train_lmdb --resize-width 256 --resize-height 256
    """
    from netc.data.imageset import ImageSet, write_database

    size = (resize_height, resize_width)
    wanted = ImageSet(root, listing, gray, seed if shuffle else None, size, check_size, encoded)
    count, skipped = write_database(wanted, database)
    for reason in skipped:
        click.echo(f"skipped {reason}", err=True)
    click.echo(f"{database} is written: {count} images")


@data.command()
@click.argument("database")
@click.argument("output", required=False)
def mean(database: str, output: str | None) -> None:
    """Mean image of the LMDB DATABASE: written to OUTPUT (.binaryproto), the mean of each channel shown.

    Example: netc data mean train_lmdb mean.binaryproto
    """
    from netc.data.imageset import mean_image, write_mean

    image = mean_image(database)
    if output:
        write_mean(output, image)
    for channel, value in enumerate(image.reshape(len(image), -1).mean(1)):
        click.echo(f"mean_value channel [{channel}]: {value:.6g}")


@click.command("extract-features")
@click.argument("net")
@options("set", "plugin", "unknown", "provider", "threads")
@click.option("--weights", required=True, multiple=True, metavar="FILE", help="Trained weights.")
@click.option("--blobs", required=True, metavar="NAME[,NAME]", help="Blobs of the test net.")
@click.option("--iterations", type=click.IntRange(1), help="Batches [default: one pass over the test set].")
@click.option("-o", "--output", required=True, metavar="FILE", help="A .npz file, else an LMDB of float Datums (one blob).")
def extract_features(net: str, overrides: tuple[str, ...], plugins: tuple[str, ...], allow_unknown: bool, provider: str,
                     threads: int | None, weights: tuple[str, ...], blobs: str, iterations: int | None, output: str) -> None:  # fmt: skip
    """Write what the test phase of NET puts into some blobs, a row for each row of its data.

    Example: netc extract-features lenet.yaml --weights lenet.caffemodel --blobs ip1 -o features.npz
    """
    from netc.commands.features import features_command

    job = job_of(net, overrides, plugins, allow_unknown)
    click.echo(features_command(job, provider, threads, weights, blobs.split(","), iterations, output))


@click.command()
@click.argument("net")
@options("set", "plugin", "unknown")
@click.option("--phase", type=click.Choice(["TRAIN", "TEST"]), default="TRAIN", show_default=True, help="Whose layers to draw.")
@click.option("-o", "--output", required=True, metavar="FILE.svg", help="Where to.")
def draw(net: str, overrides: tuple[str, ...], plugins: tuple[str, ...], allow_unknown: bool, phase: str, output: str) -> None:
    """Draw the layers of NET and what flows between them as an SVG.

    Example: netc draw nets/lenet.yaml -o lenet.svg
    """
    from netc.commands.draw import draw_command

    click.echo(draw_command(job_of(net, overrides, plugins, allow_unknown), phase, output))


COMMANDS = (upgrade, data, extract_features, draw)
