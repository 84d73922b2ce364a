"""`netc data`: show, download and create data sets."""

import click

from netc import terminal
from netc.cli.group import main
from netc.cli.options import allows_python, net_file, options


@main.group()
def data() -> None:
    """Show, download and convert data sets.

    Example: netc data show mnist
    """


@data.command("list")
@options("plugin")
def list_(plugins: tuple[str, ...]) -> None:
    """List the named data sets.

    Shows the description, size, licence and location of each.

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
    """Download named data sets and verify them.

    The files go into the cache. An interrupted download resumes. Data sets that are present are kept.

    To use mirrors, set NETC_MIRROR to their addresses, separated by spaces. netc tries them before the original address. A mirror has
    one folder per data set.

    Example: netc data fetch mnist fashion-mnist
    """
    from netc import registry
    from netc.commands import datasets

    registry.load()
    for line in datasets.fetch(names):
        terminal.say(line)


@data.command()
@click.argument("source")
@click.option("--layer", default="", metavar="NAME", help="Show this data layer of a net file [default: the first].")
@click.option("--label", default="", metavar="COLUMN", help="Show the columns of a table by this column, a class or a number.")
@click.option("--query", default="", metavar="SQL", help="Show the rows of this query to a database, or to the relation `cells` of a file.")
@click.option("--label-map", default="", metavar="FILE", help="Name the classes of boxes in a database by this label map of SSD.")
@click.option("--augmented", is_flag=True, help="Show images as training reads them in its first epochs, as a page [augmented.html].")
@click.option("-o", "--output", metavar="FILE", help="Write a page (.html) or a picture (.png) instead of text.")
@options("plugin")
def show(
    source: str, layer: str, label: str, query: str, label_map: str, augmented: bool, output: str | None, plugins: tuple[str, ...]
) -> None:  # fmt: skip
    """Show data as a net reads it.

    Shows images or rows, classes, value ranges, and the numbers of training and test samples. SOURCE is the name of a data set, a
    folder or file that a Data layer can read, or a net file. For a net file, netc applies the preprocessing of its data layer.

    For a table, shows the type of each column and its reason, gaps, frequent values, a histogram, how well the column alone predicts the
    label, columns that say nearly the same, and warnings. SOURCE may also be an address, such as postgresql://host/name.

    Examples: netc data show mnist; netc data show nets/lenet.yaml

    netc data show people.csv --label age -o people.html; netc data show photos.yaml --augmented
    """
    import shutil

    from netc import registry
    from netc.commands import show as showing
    from netc.commands import show_augmented, show_table
    from netc.report import data_lines
    from netc.spec import shipped

    registry.load(*plugins)
    if source not in registry.dataset and source in shipped.names():
        source = net_file(source)
    if augmented:
        click.echo(show_augmented.write(source, layer, output or "augmented.html", allows_python()))
        return
    seen = show_table.look(source, label, layer, query, allows_python())
    if seen is not None:
        for line in data_lines.lines(seen, shutil.get_terminal_size().columns) if not output else [show_table.write(seen, output)]:
            terminal.say(line)
        return
    found = showing.look(source, layer, allows_python(), label_map)
    if output:
        click.echo(showing.write(found, output))
        return
    for line in showing.terminal(found, _in_color(), shutil.get_terminal_size().columns):
        terminal.own(line)


def _in_color() -> bool:
    """Whether the terminal shows colors, and the user wants them."""
    import os
    import sys

    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


@data.command("convert-imageset")
@click.argument("root")
@click.argument("listing")
@click.argument("database")
@click.option("--gray", is_flag=True, help="Convert images to one channel.")
@click.option("--shuffle", is_flag=True, help="Write the images in random order.")
@click.option("--seed", default=0, show_default=True, help="Set the seed of the random order.")
@click.option("--resize-width", default=0, help="Resize images to this width, in pixels [default: original width].")
@click.option("--resize-height", default=0, help="Resize images to this height, in pixels [default: original height].")
@click.option("--check-size", is_flag=True, help="Stop with an error if an image has another size than the first.")
@click.option("--encoded", is_flag=True, help="Store the image files as they are, without decoding them.")
def convert_imageset(
    root: str, listing: str, database: str, gray: bool, shuffle: bool, seed: int, resize_width: int, resize_height: int, check_size: bool,
    encoded: bool,
) -> None:  # fmt: skip
    """Write images and labels into a new LMDB.

    LISTING is a text file with one line `path label` per image. Paths are relative to the folder ROOT.

    Example: netc data convert-imageset photos/ train.txt train_lmdb --resize-width 256 --resize-height 256
    """
    from netc.data.image_database import ImageSet, write_database

    size = (resize_height, resize_width)
    wanted = ImageSet(root, listing, gray, seed if shuffle else None, size, check_size, encoded)
    count, skipped, notes = write_database(wanted, database)
    for text in [*(f"skipped {reason}" for reason in skipped), *(f"note: {note}" for note in notes)]:
        terminal.say(text, err=True)
    click.echo(f"{database} is written: {count} images")


@data.command("convert-annoset")
@click.argument("source")
@click.argument("database")
@click.option("--annotations", default="", metavar="PATH", help="Take the boxes from this file or folder [default: SOURCE].")
@click.option("--label-map", default="", metavar="FILE", help="Number the classes by this label map, or write it if there is no such file.")
@click.option("--part", type=click.Choice(["train", "validation", "test"]), help="Write the images of this part [default: all].")
@click.option("--shuffle", is_flag=True, help="Write the images in random order.")
@click.option("--seed", default=0, show_default=True, help="Set the seed of the random order.")
@click.option("--resize-width", default=0, help="Resize images to this width, in pixels [default: original width].")
@click.option("--resize-height", default=0, help="Resize images to this height, in pixels [default: original height].")
@click.option("--encoded", is_flag=True, help="Store the image files as they are, without decoding them.")
@click.option("--fix-boxes", is_flag=True, help="Leave out boxes without area, instead of stopping with an error that lists them.")
def convert_annoset(
    source: str, database: str, annotations: str, label_map: str, part: str | None, shuffle: bool, seed: int, resize_width: int,
    resize_height: int, encoded: bool, fix_boxes: bool,
) -> None:  # fmt: skip
    """Write images and their boxes into a new LMDB.

    SOURCE is a folder with Pascal VOC's .xml files, COCO's .json file or a .csv file of boxes, or such a file. The database is in the
    format of SSD's create_annoset, which AnnotatedData reads.

    Example: netc data convert-annoset VOC2007 trainval_lmdb --part train --label-map labelmap.prototxt --encoded
    """
    from netc.commands.boxes import convert
    from netc.data.detection.writing import BoxSet

    wanted = BoxSet(seed if shuffle else None, (resize_height, resize_width), encoded, fix_boxes, (part or "").upper())
    text, notes = convert(source, database, annotations, label_map, wanted)
    for note in notes:
        terminal.say(f"note: {note}", err=True)
    click.echo(text)


@data.command()
@click.argument("database")
@click.argument("output", required=False)
def mean(database: str, output: str | None) -> None:
    """Compute the mean image of an LMDB.

    Prints the mean of each channel of DATABASE. If you give OUTPUT (.binaryproto), netc writes the mean image to it.

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
