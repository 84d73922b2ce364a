"""`netc data`: seeing, getting and making data sets."""

import click

from netc import terminal
from netc.cli.group import main
from netc.cli.options import net_file, options


@main.group()
def data() -> None:
    """See data sets, get those that go by name, make Caffe's databases and mean images.

    Example: netc data show mnist
    """


@data.command("list")
@options("plugin")
def list_(plugins: tuple[str, ...]) -> None:
    """List the data sets that go by name: what they are, their size and licence, where they are or how they come.

    Example: netc data list
    """
    from netc import registry
    from netc.commands.datasets import listed

    registry.load(*plugins)
    for name, what, size, licence, where in listed():
        terminal.say(f"{name:16} {what}")
        click.echo(f"{'':16} {'; '.join(filter(None, (size, where, licence)))}")


@data.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def fetch(names: tuple[str, ...]) -> None:
    """Get data sets by their names, unless they are here, into the user's cache: verified, and resumed where it broke off.

    NETC_MIRROR holds addresses, set apart by spaces, that are asked before a set's own; each has a folder for every set.

    Example: netc data fetch mnist fashion-mnist
    """
    from netc import registry
    from netc.commands import datasets

    registry.load()
    for line in datasets.fetch(names):
        terminal.say(line)


@data.command()
@click.argument("source")
@click.option("--layer", default="", metavar="NAME", help="Which data layer of a net file [default: its first].")
@click.option("-o", "--output", metavar="FILE", help="Write a page (.html) or a picture (.png) in place of the text.")
@options("plugin")
def show(source: str, layer: str, output: str | None, plugins: tuple[str, ...]) -> None:
    """Show what a net will see of SOURCE: pictures or rows, classes, ranges, rows to train on and to test with.

    SOURCE is a data set by name, a folder or file as a Data layer reads it, or a net file, whose transforms are then done.

    Examples: netc data show mnist; netc data show photos/ -o photos.html

    netc data show nets/lenet.yaml
    """
    import os
    import shutil
    import sys

    from netc import registry
    from netc.commands import show as showing
    from netc.spec import shipped

    registry.load(*plugins)
    if source not in registry.dataset and source in shipped.names():
        source = net_file(source)
    found = showing.look(source, layer)
    if output:
        click.echo(showing.write(found, output))
        return
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    for line in showing.terminal(found, colour, shutil.get_terminal_size().columns):
        terminal.own(line)


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
    from netc.data.image_database import ImageSet, write_database

    size = (resize_height, resize_width)
    wanted = ImageSet(root, listing, gray, seed if shuffle else None, size, check_size, encoded)
    count, skipped, notes = write_database(wanted, database)
    for text in [*(f"skipped {reason}" for reason in skipped), *(f"note: {note}" for note in notes)]:
        terminal.say(text, err=True)
    click.echo(f"{database} is written: {count} images")


@data.command()
@click.argument("database")
@click.argument("output", required=False)
def mean(database: str, output: str | None) -> None:
    """Mean image of the LMDB DATABASE: written to OUTPUT (.binaryproto), the mean of each channel shown.

    Example: netc data mean train_lmdb mean.binaryproto
    """
    from netc.data.image_database import mean_image, write_mean
    from netc.formats.by_suffix import form

    if output:
        form(output, (".binaryproto",), "a mean image")
    image = mean_image(database)
    if output:
        write_mean(output, image)
    for channel, value in enumerate(image.reshape(len(image), -1).mean(1)):
        click.echo(f"mean_value channel [{channel}]: {value:.6g}")
