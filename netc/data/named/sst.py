"""The Stanford Sentiment Treebank (Socher et al. 2013): sentences of film reviews as trees, every phrase with a sentiment from 0 to 4."""

from dataclasses import replace

from netc.data.named.dataset import Archive, DataSet, File

SST = DataSet(
    name="sst",
    files=(
        File("train.txt", 2160058, "e2f3f41b0b1e6d4dddc0effe3bfc2d27ed8928079aa9a03d652311614fc5feb7"),
        File("dev.txt", 280825, "0e9336aed6e4730e19f58d00a77b3f0297efdb755f7b5e598c98a05e3f97ea40"),
        File("test.txt", 559614, "6e54806dee95cf80cd918e7dfb3f6770f6df24bf826f289a4d1f709e1c8f6761"),
    ),
    archive=Archive("trainDevTestTrees_PTB.zip", 789539, "5c613a4f673fc74097d523a2c83f38e0cc462984d847b82c7aaf36b01cbbbfcc", "trees/"),
    addresses=("https://nlp.stanford.edu/sentiment/",),
    licence="none stated by its authors",
    tops=(),
    rows={"TRAIN": 8544, "VALIDATION": 1101, "TEST": 2210},
    classes=("very negative", "negative", "neutral", "positive", "very positive"),
    url="https://nlp.stanford.edu/sentiment/",
)
# Without the trees whose root is neutral.
BINARY = replace(SST, rows={"TRAIN": 6920, "VALIDATION": 872, "TEST": 1821}, classes=("negative", "positive"))
