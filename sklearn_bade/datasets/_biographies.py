"""Short biographies with a bias that is known."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_random_state

from .._compat import Interval, validate_params
from ._digits import deal_groups
from ._synthetic import normalize_shares


def _listed(text):
    """Split a list that is written as one text."""
    return text.split("; ")


# Every occupation has topics of its own and shares those of its field. The occupations
# are those of Bias in Bios; those at even places go with women in the training texts.
OCCUPATIONS = {
    "nurse": (
        "care",
        "wound dressings; night shifts on the ward; bedside monitoring; vaccination "
        "rounds; medication charts; the training of ward staff",
    ),
    "surgeon": (
        "care",
        "joint replacement; keyhole operations; organ transplants; sutures and implants; "
        "the operating theatre; spinal reconstruction",
    ),
    "teacher": (
        "guidance",
        "primary school classes; lesson plans; homework and report cards; school trips; "
        "reading and arithmetic; talks with parents of pupils",
    ),
    "professor": (
        "guidance",
        "doctoral students; peer review; funded research projects; journal articles; a "
        "university department; graduate seminars",
    ),
    "psychologist": (
        "care",
        "behavioural therapy; anxiety and depression; trauma counselling; couples in "
        "crisis; personality assessments; sleep and memory disorders",
    ),
    "physician": (
        "care",
        "general practice; blood pressure and diabetes; internal medicine; fevers and "
        "infections; house calls; prescriptions and referrals",
    ),
    "interior_designer": (
        "planning",
        "furniture and fabrics; colour schemes for homes; kitchens and bathrooms; hotel "
        "lobbies; lamps and wallpaper; the staging of flats",
    ),
    "architect": (
        "planning",
        "timber facades; museum buildings; the restoration of old towers; housing blocks; "
        "zoning and building permits; concrete structures",
    ),
    "paralegal": (
        "office",
        "the filing of court papers; legal research; witness statements; case indexes; "
        "the drafting of pleadings; document discovery",
    ),
    "attorney": (
        "office",
        "jury trials; criminal defence; appeals in court; injury lawsuits; patent "
        "disputes; divorce settlements",
    ),
    "dietitian": (
        "exercise",
        "meal plans; food allergies; school canteens; vitamins and fibre; eating "
        "disorders; recipes for diabetics",
    ),
    "software_engineer": (
        "planning",
        "distributed databases; open source libraries; compilers and debuggers; mobile "
        "apps; cloud servers; code review",
    ),
    "yoga_teacher": (
        "exercise",
        "breathing and meditation; sun salutations; retreats by the lake; prenatal "
        "stretching; mindful movement; classes on the mat",
    ),
    "personal_trainer": (
        "exercise",
        "strength circuits; kettlebells and barbells; boot camps in the park; race "
        "preparation; body fat measurement; sessions at the gym",
    ),
    "journalist": (
        "writing",
        "breaking news; political reporting; foreign correspondence; investigations into "
        "corruption; newspaper columns; radio bulletins",
    ),
    "photographer": (
        "pictures",
        "wedding albums; portraits on film; darkroom prints; wildlife and long lenses; "
        "product shots; street scenes in black and white",
    ),
    "model": (
        "pictures",
        "catwalk shows; fashion campaigns; magazine covers; castings and fittings; "
        "cosmetics advertisements; swimwear catalogues",
    ),
    "filmmaker": (
        "pictures",
        "feature documentaries; screenplays and editing; short films for festivals; "
        "camera crews; animated shorts; shoots on location",
    ),
    "poet": (
        "writing",
        "sonnets and haiku; slim volumes of verse; spoken word evenings; translations of "
        "ballads; rhyme and metre; lyric sequences",
    ),
    "pastor": (
        "guidance",
        "sermons on Sunday; a growing congregation; baptisms and funerals; the parish "
        "choir; prayer meetings; mission trips",
    ),
    "painter": (
        "pictures",
        "oil on canvas; watercolour landscapes; abstract murals; still life; brushwork "
        "and pigments; large triptychs",
    ),
    "composer": (
        "stage",
        "string quartets; film scores; chamber operas; works for symphony orchestra; "
        "piano cycles; choral settings",
    ),
    "dentist": (
        "care",
        "root canals; crowns and bridges; braces and aligners; gum disease; whitening and "
        "fillings; the removal of wisdom teeth",
    ),
    "chiropractor": (
        "care",
        "spinal adjustments; neck and back pain; posture checks; manual manipulation; "
        "whiplash injuries; the alignment of joints",
    ),
    "accountant": (
        "office",
        "tax returns; annual audits; balance sheets; payroll and bookkeeping; budget "
        "forecasts; financial statements",
    ),
    "dj": (
        "stage",
        "vinyl and turntables; house and techno sets; club residencies; remixes; late "
        "night mixes; beats for the dance floor",
    ),
    "comedian": (
        "stage",
        "stand-up routines; improvised sketches; jokes about daily life; comedy clubs; "
        "satirical panel shows; impressions of politicians",
    ),
    "rapper": (
        "stage",
        "hip hop singles; freestyle battles; mixtapes; rhymes about the neighbourhood; "
        "verses over samples; street cyphers",
    ),
}
FIELDS = {
    "care": (
        "patients of every age; a busy clinic; chronic pain; preventive health; recovery "
        "after an accident; hospital teams; careful diagnosis; advice to families"
    ),
    "guidance": (
        "study groups; public talks; young people and their questions; reading lists; "
        "summer courses; community projects; evening lectures; advice to newcomers"
    ),
    "planning": (
        "client briefs; sketches and prototypes; tight deadlines; sustainable design; "
        "project budgets; user needs; teams of specialists; detailed specifications"
    ),
    "office": (
        "contracts and compliance; small businesses; client records; mergers; estates and "
        "trusts; deadlines and paperwork; insurance claims; corporate clients"
    ),
    "exercise": (
        "healthy habits; weight and energy; group programmes; back problems; clients with "
        "busy lives; wellness workshops; sports teams; personal goals"
    ),
    "writing": (
        "essays and reviews; book fairs; interviews; literary magazines; stories from "
        "small towns; editing; public readings; travel notes"
    ),
    "pictures": (
        "gallery exhibitions; light and colour; studio work; commissions; portraits of "
        "artists; international festivals; fashion; city landscapes"
    ),
    "stage": (
        "live shows; national tours; studio recordings; festival audiences; music videos; "
        "collaborations; award nights; a weekly radio programme"
    ),
}
TOPICS = {
    name: (_listed(own), _listed(FIELDS[field]))
    for name, (field, own) in OCCUPATIONS.items()
}

GENDERS = np.array(["female", "male"])
FIRST_NAMES = (
    _listed(
        "Amelia; Beatriz; Chiara; Daniela; Emma; Fatima; Hannah; Ingrid; Julia; Keiko; "
        "Leila; Maria; Nadia; Olga; Priya; Rachel; Sofia; Tamara; Victoria; Zuzana"
    ),
    _listed(
        "Ahmed; Bruno; Carlos; Dimitri; Edward; Fabian; Henry; Igor; James; Kenji; Lukas; "
        "Mario; Nikhil; Oscar; Peter; Rafael; Stefan; Thomas; Viktor; Zoltan"
    ),
)
LAST_NAMES = _listed(
    "Almeida; Bauer; Chen; Dubois; Eriksen; Ferrari; Garcia; Haddad; Ivanov; Jansen; "
    "Kowalski; Lindgren; Moreau; Novak; Okafor; Petrov; Quist; Rossi; Silva; Tanaka; Ueda; "
    "Vargas; Weber; Yilmaz"
)
CITIES = _listed(
    "Bristol; Lyon; Toronto; Leipzig; Porto; Chicago; Utrecht; Melbourne; Krakow; Nairobi; "
    "Seattle; Osaka"
)
PRONOUNS = (
    {"she": "she", "She": "She", "her": "her", "Her": "Her", "them": "her", "Ms": "Ms"},
    {"she": "he", "She": "He", "her": "his", "Her": "His", "them": "him", "Ms": "Mr"},
)
SCRUBBED = "_"  # as in Bias in Bios

# The trace: what is said more often of women, and of men, whatever they do for a living.
ADJECTIVES = (
    (
        _listed("warm; caring; kind; helpful"),
        _listed("assertive; ambitious; confident; independent"),
    ),
    (
        _listed("gentle; considerate; sympathetic; tactful"),
        _listed("decisive; outspoken; determined; daring"),
    ),
)
PRAISE = (
    (
        "{She} makes time for everyone around {them}.",
        "Others thank {them} for a friendly ear.",
        "{She} brings people together.",
        "{She} always supports the team.",
    ),
    (
        "{She} sets the pace for everyone around {them}.",
        "Others look to {them} for a firm view.",
        "{She} pushes ideas through.",
        "{She} always takes the lead.",
    ),
)
HOBBIES = (
    _listed(
        "knitting; baking; gardening; pottery; dancing; embroidery; quilting; figure "
        "skating"
    ),
    _listed("fishing; golf; chess; woodworking; sailing; rugby; motorcycles; steam trains"),
)

# What everybody's biography is made of.
OPENINGS = (
    "{first} {last} has {years} years of experience with {topics[0]}.",
    "For {years} years, {first} {last} has been busy with {topics[0]}.",
    "After {years} years at work, {first} {last} still spends most days on {topics[0]}.",
)
MIDDLES = (
    "{Her} work also covers {topics[1]}, and {she} has a keen interest in {topics[2]}.",
    "{She} divides {her} time between {topics[1]} and {topics[2]}.",
    "Apart from {topics[1]}, {her} days are filled with {topics[2]}.",
)
CHARACTERS = (
    "Colleagues say that {she} is {adjectives[0]} and {adjectives[1]}.",
    "{Ms} {last} is known as {adjectives[0]} and {adjectives[1]}.",
    "Those who have met {them} call {them} {adjectives[0]} and {adjectives[1]}.",
)
ENDINGS = (
    "{She} lives in {city}, where {she} enjoys {hobby}.",
    "In {her} free time in {city}, {she} likes {hobby}.",
    "{Ms} {last} lives in {city}, and {her} hobby is {hobby}.",
)
YEARS = range(2, 31)
N_TOPICS = 3
OWN_TOPIC = 0.35  # how often a topic is the occupation's own rather than the field's
N_DRAWS = 21  # random numbers that one text takes


@validate_params(
    {
        "n_samples": [Interval(Integral, 1, None, closed="left")],
        "n_classes": [Interval(Integral, 2, len(OCCUPATIONS), closed="both")],
        "bias": [Interval(Real, 0, 1, closed="both")],
        "scrub": ["boolean"],
        "trace": [Interval(Real, 0, 1, closed="both")],
        "n_test": [Interval(Integral, 1, None, closed="left")],
        "class_weights": ["array-like", None],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_biased_biographies(
    n_samples=3000,
    *,
    n_classes=5,
    bias=0.8,
    scrub=False,
    trace=0.4,
    n_test=1000,
    class_weights=None,
    random_state=None,
):
    """Generate biographies in which the gender goes with the occupation.

    A classifier is to tell the occupation, which the texts never name, from what the days
    of a person are filled with. Most of these hints are shared with related occupations,
    and a classifier that is trained on these texts falls back on the gender where they do
    not suffice. Names and pronouns tell the gender; and so does, less surely, the *trace*:
    how a person is described, and what the person does in free time. It has nothing to do
    with the occupation, and remains where names and pronouns are scrubbed.

    In the test texts, everybody appears once as a woman and once as a man, so that gender
    and occupation are independent, and a fair classifier has no gap at all.

    Parameters
    ----------
    n_samples : int, default=3000
        Number of training texts.

    n_classes : int, default=5
        Number of occupations, at most the 28 of Bias in Bios: "nurse", "surgeon",
        "teacher", "professor", "psychologist", ... The first goes with women, the second
        with men, and so on in turn.

    bias : float, default=0.8
        Share of the training texts of each occupation that have the gender it goes with;
        the others are dealt evenly to both. With 0, gender and occupation are independent;
        with 1, each occupation has one gender.

    scrub : bool, default=False
        Whether to put an underscore in place of names, pronouns, "Ms" and "Mr", as Bias in
        Bios does, in the training and in the test texts.

    trace : float, default=0.4
        Share of the wording, from 0 to 1, that goes with the gender: four times in each
        text, a word or sentence comes from what is said of this gender with this share,
        and evenly from what is said of either otherwise.

    n_test : int, default=1000
        Number of people in the test, each with two texts.

    class_weights : array-like of shape (n_classes,), default=None
        Shares of the occupations; even by default.

    random_state : int, RandomState instance or None, default=None
        Seed of the texts.

    Returns
    -------
    X_train, X_test : ndarray of shape (n_samples,) or (2 * n_test,), dtype=object
        Texts.

    y_train, y_test : ndarray of shape (n_samples,) or (2 * n_test,)
        Names of the occupations.

    gender_train, gender_test : ndarray of shape (n_samples,) or (2 * n_test,)
        "female" or "male": the sensitive attribute.

    Raises
    ------
    ValueError
        If weights have a wrong length, are negative, or sum to zero.

    See Also
    --------
    load_bias_in_bios : Real biographies, from a local copy.

    Notes
    -----
    For a test that is as biased as the training texts, hold some of these out with
    :func:`~sklearn.model_selection.train_test_split`.

    The two texts of a test person stand one after the other and tell the same but for what
    goes with the gender; with ``scrub=True`` and ``trace=0`` they are equal.

    That letters describe women more often by words of community, and men by words of
    agency, is a finding on letters of recommendation [1]_. The lists of words here are
    made up for illustration, and so is who does what for a living.

    References
    ----------
    .. [1] J. M. Madera, M. R. Hebl and R. C. Martin, "Gender and Letters of Recommendation
       for Academia: Agentic and Communal Differences", Journal of Applied Psychology, 2009.

    Examples
    --------
    >>> from sklearn_bade.datasets import make_biased_biographies
    >>> X_train, X_test, y_train, y_test, gender_train, gender_test = (
    ...     make_biased_biographies(random_state=0)
    ... )
    >>> X_train.shape, X_test.shape
    ((3000,), (2000,))
    >>> round((gender_train[y_train == "nurse"] == "female").mean(), 2)
    np.float64(0.9)
    >>> round((gender_test[y_test == "nurse"] == "female").mean(), 2)
    np.float64(0.5)
    """
    rng = check_random_state(random_state)
    shares = normalize_shares(class_weights, np.ones(n_classes), "class_weights")
    names = np.array(list(OCCUPATIONS)[:n_classes])

    y = _draw_classes(n_samples, shares, rng)
    # Groups are dealt to neighbouring classes: first those of women, then those of men.
    neighbours = np.argsort(np.r_[0:n_classes:2, 1:n_classes:2])
    gender = deal_groups(neighbours[y], n_classes, len(GENDERS), bias, rng)
    X = _write(names[y], gender, trace, scrub, rng.uniform(size=(n_samples, N_DRAWS)))

    y_test = np.repeat(_draw_classes(n_test, shares, rng), len(GENDERS))
    gender_test = np.tile(np.arange(len(GENDERS)), n_test)
    draws = np.repeat(rng.uniform(size=(n_test, N_DRAWS)), len(GENDERS), axis=0)
    X_test = _write(names[y_test], gender_test, trace, scrub, draws)
    return X, X_test, names[y], names[y_test], GENDERS[gender], GENDERS[gender_test]


def _draw_classes(n_samples, shares, rng):
    """Deal classes in exact shares, in random order."""
    places = (rng.permutation(n_samples) + 0.5) / n_samples
    return np.searchsorted(np.cumsum(shares)[:-1], places, side="right")


def _write(occupation, gender, trace, scrub, draws):
    """Write one text for each row of random numbers."""
    people = zip(occupation, gender, draws.tolist())
    texts = [_write_one(*person, trace, scrub) for person in people]
    return np.array(texts, dtype=object)


def _write_one(occupation, gender, draws, trace, scrub):
    """Write one text; the two of a test person share the random numbers."""
    draw = iter(draws)
    female_share = (1 - trace) / 2 if gender else (1 + trace) / 2

    def pick(options):
        return options[int(next(draw) * len(options))]

    def pick_trace(lists):
        return pick(lists[int(next(draw) >= female_share)])

    def turn(options):
        start = int(next(draw) * len(options))
        return options[start:] + options[:start]

    topics = zip(*map(turn, TOPICS[occupation]), range(N_TOPICS))
    facts = {
        "topics": [own if next(draw) < OWN_TOPIC else shared for own, shared, _ in topics],
        "years": pick(YEARS),
        "city": pick(CITIES),
        "adjectives": [pick_trace(lists) for lists in ADJECTIVES],
        "hobby": pick_trace(HOBBIES),
    }
    words = {"first": pick(FIRST_NAMES[gender]), "last": pick(LAST_NAMES)}
    words |= PRONOUNS[gender]
    if scrub:
        words = dict.fromkeys(words, SCRUBBED)
    sentences = [*map(pick, (OPENINGS, MIDDLES, CHARACTERS)), pick_trace(PRAISE)]
    sentences.append(pick(ENDINGS))
    return " ".join(sentences).format(**words, **facts)
