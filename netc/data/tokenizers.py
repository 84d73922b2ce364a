"""Which tokenizer a data layer uses: that of the weights, that of a file, or one that is trained on the training rows."""

from collections.abc import Callable, Iterable
from pathlib import Path

from netc import netc_pb2 as pb
from netc.data import subwords
from netc.data.source import Request
from netc.data.units import SUBWORDS
from netc.errors import DataError

KINDS = {pb.DataParameter.CHARACTERS: "characters", pb.DataParameter.WORDS: "words"}


def kind_of(request: Request) -> str:
    """The kind of the units that a layer reads: characters, words or tokens. DataError if its fields contradict each other."""
    param = request.layer.data_param
    if not param.tokenizer:
        return KINDS.get(param.tokens, SUBWORDS)
    if param.HasField("tokens") and param.tokens in KINDS:
        kind = param.Tokens.Name(param.tokens)
        raise DataError(f"`tokens` is {kind}, but `tokenizer` names a tokenizer. Remove one of them.", field="tokenizer")
    return SUBWORDS


def chosen_tokenizer(request: Request, texts: Callable[[], Iterable[str]]) -> str:
    """The tokenizer of a layer. `texts()` are the training texts. DataError if the tokenizer is not that of the weights."""
    param = request.layer.data_param
    file = subwords.read(request.base / Path(param.tokenizer).expanduser()) if param.tokenizer else ""
    if known := known_tokenizer(request):
        check_known(request, file)
        return known
    if file and param.most_tokens:
        raise DataError("`most_tokens` is for tokenizers that netc trains, but `tokenizer` names a file.", field="most_tokens")
    check_known(request, file)
    return file or subwords.trained(tuple(texts()), param.tokens, int(param.most_tokens))


def known_tokenizer(request: Request) -> str:
    """The tokenizer of the training rows, or of the weights; "" if there is none."""
    return request.learned.tokenizer if request.learned else request.known.tokenizer if request.known else ""


def check_known(request: Request, file: str) -> None:
    """DataError if the weights were trained on other units than the layer reads. `file` is the tokenizer of a file."""
    param, known = request.layer.data_param, known_tokenizer(request)
    subword = kind_of(request) == SUBWORDS
    if not subword and known:
        raise DataError("The weights are for the tokens of a tokenizer. Set `tokens` as in the net that they come from.", field="tokens")
    if subword and not known and request.known is not None and request.known.classes and param.classes:
        raise DataError("The weights are for characters or words, not for the tokens of a tokenizer.", field="tokens")
    if not known:
        return
    size = len(subwords.vocabulary(known))
    if file and file != known:
        ours = len(subwords.vocabulary(file))
        same = subwords.vocabulary(file) == subwords.vocabulary(known)
        what = "splits texts in another way" if same else "has another vocabulary"
        sizes = f": {ours} tokens, not {size}" if ours != size else ""
        raise DataError(f"The tokenizer {what} than that of the weights{sizes}.", field="tokenizer")
    wanted = subwords.NAMES.get(param.tokens)
    if not file and wanted and subwords.kind(known) != wanted:
        text = f"`tokens` is {param.Tokens.Name(param.tokens)}, but the tokenizer of the weights is {subwords.kind(known)}."
        raise DataError(text, field="tokens")
    if not file and param.most_tokens and size > param.most_tokens:
        text = f"`most_tokens` is {param.most_tokens}, but the tokenizer of the weights has {size} tokens."
        raise DataError(text, field="most_tokens")
