"""`netc data`: making data sets."""

import click

from netc.cli.group import main


@main.group()
def data() -> None:
    """Make Caffe's databases and mean images.

    Example: netc data mean train_lmdb
    """


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
