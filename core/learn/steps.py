"""The words of the tour: one idea a step, one question, and an answer to every answer.

Sentences of idea and question are Markdown written here; nothing from a file goes into them.
"""

from typing import NamedTuple


class Step(NamedTuple):
    """One step: ``options`` and ``because`` go together, ``right`` is the number of the true one.

    ``clip`` names the demo clip that shows it best; "" where the whole demo set is shown.
    """

    key: str
    title: str
    idea: str
    question: str
    options: tuple[str, ...]
    right: int
    because: tuple[str, ...]
    clip: str


STEPS = (
    Step(
        "waveform",
        "A waveform is air pressure over time",
        "A microphone writes down the pressure of the air, here 16,000 times a second. From afar "
        "it shows how loud it is. At **62.5 ms**, 1,000 samples, a vowel is a pattern that "
        "repeats.",
        "In a window of 62.5 ms the pattern repeats about 12 times. How high is the voice?",
        ("12 Hz", "About 190 Hz", "16,000 Hz"),
        1,
        (
            "12 is a count in this window, not in a second.",
            "12 repeats in 0.0625 s make 12 / 0.0625 = 192 a second, so 192 Hz.",
            "16,000 Hz is how often the pressure is read, whatever the voice does.",
        ),
        "demo_clean",
    ),
    Step(
        "spectrum",
        "A spectrum says which frequencies are in it",
        "The Fourier transform tells how strong each frequency is in a stretch of sound. A voiced "
        "sound has peaks at even distances: its **harmonics**. Move the stretch and see vowels, "
        "hisses and silence.",
        "The peaks of a vowel stand 200 Hz apart. What is 200 Hz?",
        ("The pitch, f0", "The highest frequency", "The loudest frequency"),
        0,
        (
            "Harmonics are multiples of f0, so they are f0 apart.",
            "Harmonics go far above it, to several kHz.",
            "Often another harmonic is louder: the one that the mouth lets through best.",
        ),
        "demo_clean",
    ),
    Step(
        "window",
        "The window: when, or which frequency",
        "The STFT takes one short spectrum after another. A **long window** tells frequencies "
        "apart and blurs time; a **short window** tells moments apart and blurs frequencies. "
        "No window does both.",
        "You want to see two clicks 5 ms apart. Which window?",
        ("8 ms", "32 ms", "128 ms"),
        0,
        (
            "Only a window about as short as the gap keeps the clicks apart.",
            "Most windows hold both clicks: they melt into one.",
            "It tells frequencies 8 Hz apart, but every click lasts 128 ms.",
        ),
        "demo_clean",
    ),
    Step(
        "mel",
        "Mel bands: spaced as the ear hears",
        "The ear tells 200 from 300 Hz easily, and 5,000 from 5,100 Hz hardly. Mel bands are "
        "**narrow below 1 kHz and wide above**, so that one band is about one step for the ear. "
        "Fewer bands keep less detail.",
        "Which two tones are farther apart in mel?",
        ("200 and 300 Hz", "5,000 and 5,100 Hz", "The same: 100 Hz each"),
        0,
        (
            "1.5 mel steps, against about 0.3 up there.",
            "At 5 kHz the scale is logarithmic: 100 Hz is only 2 % there.",
            "The same in Hz, but the mel scale squeezes high frequencies.",
        ),
        "demo_clean",
    ),
    Step(
        "mfcc",
        "MFCC: the shape in a few numbers",
        "Write the mel spectrum of a moment as a sum of waves, slow ones first, and keep the "
        "first few weights: the **MFCCs**. More of them draw more detail. 13 to 20 keep the "
        "vowel, and let the pitch go.",
        "What does coefficient 0 tell?",
        ("The pitch", "The overall level", "The first vowel"),
        1,
        (
            "Pitch makes fast ripples; the first coefficients are the slow waves.",
            "Wave 0 is flat: its weight is the mean of all bands.",
            "A vowel is in the shape: coefficients 1 and above.",
        ),
        "demo_clean",
    ),
    Step(
        "clean",
        "Clean: take noise away, cut the silence",
        "The article reduces noise first, then cuts both ends where the sound is "
        "**20 dB below its maximum**. Move the limit: too low keeps the silence, too high eats the "
        "speech. Every number measured later depends on it.",
        "Trim at 5 dB instead of 20 dB. What happens?",
        ("More silence stays", "Soft beginnings and ends go", "The noise gets quieter"),
        1,
        (
            "The other way round: a small limit cuts more.",
            "All that is 5 dB below the loudest moment counts as silence at the ends.",
            "Trimming cuts time. It does not change what stays.",
        ),
        "demo_silence_at_both_ends",
    ),
    Step(
        "onsets",
        "An onset is not a word",
        "The article counts **onsets**, moments where the sound rises, and calls them words. The "
        "demo set knows its sentences, so we can check: each point is a clip, the line is where "
        "both agree.",
        "Why are there about twice as many onsets as words?",
        ("People stutter", "Words have several syllables", "The sentences are wrong"),
        1,
        (
            "These voices are synthetic: they never stutter.",
            "Nearly every syllable rises, and consonants and noise rise too.",
            "The sentences are what the synthesiser was told to say.",
        ),
        "",
    ),
    Step(
        "tempo",
        "Tempo follows the length of the clip",
        "The article takes a **tempo** from each clip, starting its search at 10 beats a minute. "
        "Speech has no beat, so the search finds slow “beats” that fit into the clip. Move the "
        "start and see what is left of the trend.",
        "It finds about 30 beats a minute. What are they?",
        ("Words", "Syllables", "Neither: an echo of the settings"),
        2,
        (
            "Words come at about 160 a minute here.",
            "Syllables come at about 220 a minute here.",
            "The slowest repetition that fits wins: a longer clip has room for a slower one.",
        ),
        "",
    ),
    Step(
        "f0",
        "f0, and where it goes wrong",
        "f0 is how often the vocal folds close in a second. The article searches up to 8,000 Hz, "
        "far above any voice, so noise passes for a voice and **octave errors** slip in. Look at "
        "mean and 95th percentile as you widen the range.",
        "A few frames are far too high. Which number suffers least?",
        ("The mean", "The median", "The 95th percentile"),
        1,
        (
            "Every wrong frame pulls the mean up.",
            "Half of the frames would have to be wrong to move it far.",
            "It looks at the highest frames: that is where the errors are.",
        ),
        "demo_s02_02",
    ),
    Step(
        "balance",
        "Who is in the data set?",
        "Before you learn from data, count it. Clips are not people: one eager speaker can fill a "
        "group. In the article's set 69 % of the clips are men's, and **nobody counted the "
        "speakers**.",
        "69 % of the clips are men's. How often is “always male” right?",
        ("50 %", "69 %", "31 %"),
        1,
        (
            "Only if both were equally many. That is what balanced accuracy gives.",
            "So an accuracy of 69 % would be worth nothing here.",
            "That is how often “always female” is right.",
        ),
        "",
    ),
    Step(
        "outliers",
        "Outliers: rare, wrong, or both",
        "A **z-score** is the distance from the mean in standard deviations. The article drops "
        "every clip with a z beyond 3 in any feature. Clips that go are not always wrong: some are "
        "quiet, slow, or simply different.",
        "Where should the limits come from?",
        ("From all clips", "From the training clips only", "From the test clips"),
        1,
        (
            "Then the test clips have a say in the training: a leak.",
            "The test stands for voices that you have not seen yet.",
            "Then you would tune the training on the answer.",
        ),
        "",
    ),
    Step(
        "correlation",
        "Correlation: what goes with what",
        "Pearson's **r** is 1 where two numbers rise on one line, 0 where a line says nothing. In "
        "the article f0 and gender have r = 0.77, and age goes with almost nothing.",
        "r = 0.77 between f0 and gender. Does it mean 77 % are told apart?",
        ("Yes", "No, r is no share of right answers", "Only for women"),
        1,
        (
            "r measures how well a line fits, not how often a guess is right.",
            "A limit on f0 can be right far more often than 77 %, or less.",
            "r belongs to both groups together.",
        ),
        "",
    ),
    Step(
        "mels",
        "The mean voice of women and men",
        "Average the level of each mel band over all clips of a group. The groups differ most at "
        "the bottom, where **men's first harmonics** lie, and a little where the formants shift.",
        "Where do men's voices have more level than women's?",
        ("Below about 150 Hz", "Around 300 Hz only", "Above 5 kHz"),
        0,
        (
            "Men's f0 is there; women's lowest harmonic comes at about 200 Hz.",
            "There both have harmonics: women their first or second.",
            "Up there are hisses, and those hardly differ.",
        ),
        "",
    ),
    Step(
        "leak",
        "Train, and the leak",
        "The article splits **by clip**: the same voice can be in training and in test, and the "
        "model may know the person, not the age. Split **by speaker** and it has to do with "
        "strangers. A coin tossed for each speaker shows the leak.",
        "A coin was tossed for each speaker. How can a model learn it?",
        ("Coins follow voices", "It knows the speakers again", "It cannot: it is a bug"),
        1,
        (
            "A coin knows nothing. Look at the split by speaker: it is at chance.",
            "With the same voices in training, it looks up what their coin was.",
            "No bug: the test was too easy.",
        ),
        "",
    ),
)
