/* The words of the English-French corpus: what each means, how it inflects, what it goes with.
 *
 * Included by generate_corpus.c alone. French words that begin with h have a silent h (l' homme),
 * except the numeral huit; the elision rule in french.h relies on it. */
#ifndef WENGERT_EXAMPLES_LEXICON_H
#define WENGERT_EXAMPLES_LEXICON_H

/* What a noun can be and so which verbs, adjectives and prepositions it goes with. */
enum {
    PERSON = 1,
    ANIMAL = 2,
    FOOD = 4,
    TEXT = 8,   /* is read and written */
    LID = 16,   /* is opened and closed */
    THING = 32, /* is bought, lost, carried, hidden */
    FRAIL = 64, /* is broken and repaired */
    BIG = 128,  /* is seen, bought, painted */
    GOAL = 256, /* one goes there: à */
    ROOM = 512, /* one is in it: dans */
    SPOT = 1024 /* things lie on it or under it */
};

typedef struct noun {
    const char *en, *en_plural, *fr, *fr_plural;
    char gender; /* of the French noun: m or f */
    int kind;
} noun;

// clang-format off
static const noun nouns[] = {
    {"man", "men", "homme", "hommes", 'm', PERSON},
    {"woman", "women", "femme", "femmes", 'f', PERSON},
    {"boy", "boys", "garçon", "garçons", 'm', PERSON},
    {"girl", "girls", "fille", "filles", 'f', PERSON},
    {"child", "children", "enfant", "enfants", 'm', PERSON},
    {"teacher", "teachers", "professeur", "professeurs", 'm', PERSON},
    {"doctor", "doctors", "médecin", "médecins", 'm', PERSON},
    {"brother", "brothers", "frère", "frères", 'm', PERSON},
    {"sister", "sisters", "sœur", "sœurs", 'f', PERSON},
    {"neighbour", "neighbours", "voisin", "voisins", 'm', PERSON},
    {"farmer", "farmers", "fermier", "fermiers", 'm', PERSON},
    {"lawyer", "lawyers", "avocat", "avocats", 'm', PERSON},
    {"uncle", "uncles", "oncle", "oncles", 'm', PERSON},
    {"aunt", "aunts", "tante", "tantes", 'f', PERSON},
    {"nurse", "nurses", "infirmière", "infirmières", 'f', PERSON},
    {"actress", "actresses", "actrice", "actrices", 'f', PERSON},
    {"queen", "queens", "reine", "reines", 'f', PERSON},
    {"king", "kings", "roi", "rois", 'm', PERSON},

    {"dog", "dogs", "chien", "chiens", 'm', ANIMAL},
    {"cat", "cats", "chat", "chats", 'm', ANIMAL},
    {"horse", "horses", "cheval", "chevaux", 'm', ANIMAL},
    {"bird", "birds", "oiseau", "oiseaux", 'm', ANIMAL},
    {"cow", "cows", "vache", "vaches", 'f', ANIMAL},
    {"mouse", "mice", "souris", "souris", 'f', ANIMAL},
    {"rabbit", "rabbits", "lapin", "lapins", 'm', ANIMAL},
    {"hen", "hens", "poule", "poules", 'f', ANIMAL},

    {"apple", "apples", "pomme", "pommes", 'f', FOOD},
    {"orange", "oranges", "orange", "oranges", 'f', FOOD},
    {"cake", "cakes", "gâteau", "gâteaux", 'm', FOOD},
    {"egg", "eggs", "œuf", "œufs", 'm', FOOD},
    {"tomato", "tomatoes", "tomate", "tomates", 'f', FOOD},
    {"onion", "onions", "oignon", "oignons", 'm', FOOD},
    {"carrot", "carrots", "carotte", "carottes", 'f', FOOD},
    {"pear", "pears", "poire", "poires", 'f', FOOD},

    {"book", "books", "livre", "livres", 'm', TEXT | THING},
    {"letter", "letters", "lettre", "lettres", 'f', TEXT | THING},
    {"newspaper", "newspapers", "journal", "journaux", 'm', TEXT | THING},
    {"story", "stories", "histoire", "histoires", 'f', TEXT},
    {"door", "doors", "porte", "portes", 'f', LID | BIG},
    {"window", "windows", "fenêtre", "fenêtres", 'f', LID | BIG},
    {"box", "boxes", "boîte", "boîtes", 'f', LID | THING},
    {"bag", "bags", "sac", "sacs", 'm', LID | THING},
    {"key", "keys", "clé", "clés", 'f', THING},
    {"hat", "hats", "chapeau", "chapeaux", 'm', THING},
    {"shirt", "shirts", "chemise", "chemises", 'f', THING},
    {"coat", "coats", "manteau", "manteaux", 'm', THING},
    {"ring", "rings", "bague", "bagues", 'f', THING},
    {"flower", "flowers", "fleur", "fleurs", 'f', THING},
    {"gift", "gifts", "cadeau", "cadeaux", 'm', THING},
    {"umbrella", "umbrellas", "parapluie", "parapluies", 'm', THING | FRAIL},
    {"plate", "plates", "assiette", "assiettes", 'f', THING | FRAIL},
    {"clock", "clocks", "horloge", "horloges", 'f', THING | FRAIL},
    {"lamp", "lamps", "lampe", "lampes", 'f', THING | FRAIL},
    {"computer", "computers", "ordinateur", "ordinateurs", 'm', THING | FRAIL},
    {"bicycle", "bicycles", "vélo", "vélos", 'm', FRAIL | BIG},
    {"car", "cars", "voiture", "voitures", 'f', FRAIL | BIG | SPOT},
    {"boat", "boats", "bateau", "bateaux", 'm', FRAIL | BIG},
    {"table", "tables", "table", "tables", 'f', FRAIL | BIG | SPOT},
    {"chair", "chairs", "chaise", "chaises", 'f', FRAIL | BIG | SPOT},
    {"bed", "beds", "lit", "lits", 'm', BIG | SPOT},
    {"tree", "trees", "arbre", "arbres", 'm', BIG},

    {"school", "schools", "école", "écoles", 'f', GOAL},
    {"market", "markets", "marché", "marchés", 'm', GOAL},
    {"station", "stations", "gare", "gares", 'f', GOAL},
    {"hospital", "hospitals", "hôpital", "hôpitaux", 'm', GOAL},
    {"beach", "beaches", "plage", "plages", 'f', GOAL},
    {"airport", "airports", "aéroport", "aéroports", 'm', GOAL},
    {"theatre", "theatres", "théâtre", "théâtres", 'm', GOAL},
    {"church", "churches", "église", "églises", 'f', GOAL | ROOM},
    {"hotel", "hotels", "hôtel", "hôtels", 'm', GOAL | ROOM},
    {"museum", "museums", "musée", "musées", 'm', GOAL | ROOM},
    {"library", "libraries", "bibliothèque", "bibliothèques", 'f', GOAL | ROOM},
    {"restaurant", "restaurants", "restaurant", "restaurants", 'm', GOAL | ROOM},
    {"park", "parks", "parc", "parcs", 'm', GOAL | ROOM},
    {"castle", "castles", "château", "châteaux", 'm', GOAL | ROOM | BIG},
    {"house", "houses", "maison", "maisons", 'f', ROOM | BIG},
    {"garden", "gardens", "jardin", "jardins", 'm', ROOM},
    {"kitchen", "kitchens", "cuisine", "cuisines", 'f', ROOM},
    {"forest", "forests", "forêt", "forêts", 'f', ROOM},
    {"street", "streets", "rue", "rues", 'f', ROOM},
};

typedef struct adjective {
    const char *en, *more; /* big, bigger */
    const char *m, *f, *mp, *fp;
    const char *liaison; /* the masculine before a vowel, where it differs */
    int before;          /* stands before its noun */
    int kinds;           /* nouns that it describes */
} adjective;

#define ANY_THING (FOOD | TEXT | LID | THING | FRAIL | BIG)
static const adjective adjectives[] = {
    {"big", "bigger", "grand", "grande", "grands", "grandes", 0, 1, ANIMAL | ANY_THING | ROOM | GOAL},
    {"small", "smaller", "petit", "petite", "petits", "petites", 0, 1, ANIMAL | ANY_THING | ROOM | GOAL},
    {"beautiful", "more beautiful", "beau", "belle", "beaux", "belles", "bel", 1, ANIMAL | TEXT | THING | BIG | ROOM},
    {"old", "older", "vieux", "vieille", "vieux", "vieilles", "vieil", 1, PERSON | ANIMAL | TEXT | THING | BIG | ROOM | GOAL},
    {"new", "newer", "nouveau", "nouvelle", "nouveaux", "nouvelles", "nouvel", 1, TEXT | THING | FRAIL | GOAL},
    {"young", "younger", "jeune", "jeune", "jeunes", "jeunes", 0, 1, PERSON | ANIMAL},
    {"red", 0, "rouge", "rouge", "rouges", "rouges", 0, 0, THING | FRAIL | LID},
    {"green", 0, "vert", "verte", "verts", "vertes", 0, 0, THING | FRAIL | LID},
    {"blue", 0, "bleu", "bleue", "bleus", "bleues", 0, 0, THING | FRAIL | LID},
    {"white", 0, "blanc", "blanche", "blancs", "blanches", 0, 0, ANIMAL | THING | FRAIL | LID | BIG},
    {"black", 0, "noir", "noire", "noirs", "noires", 0, 0, ANIMAL | THING | FRAIL | LID},
    {"heavy", "heavier", "lourd", "lourde", "lourds", "lourdes", 0, 0, THING | FRAIL},
    {"expensive", "more expensive", "cher", "chère", "chers", "chères", 0, 0, FOOD | THING | FRAIL},
    {"interesting", "more interesting", "intéressant", "intéressante", "intéressants", "intéressantes", 0, 0, TEXT},
    {"happy", "happier", "heureux", "heureuse", "heureux", "heureuses", 0, 0, PERSON | ANIMAL},
    {"tired", "more tired", "fatigué", "fatiguée", "fatigués", "fatiguées", 0, 0, PERSON | ANIMAL},
    {"sad", "sadder", "triste", "triste", "tristes", "tristes", 0, 0, PERSON | ANIMAL},
    {"intelligent", "more intelligent", "intelligent", "intelligente", "intelligents", "intelligentes", 0, 0, PERSON | ANIMAL},
    {"rich", "richer", "riche", "riche", "riches", "riches", 0, 0, PERSON},
    {"ill", 0, "malade", "malade", "malades", "malades", 0, 0, PERSON | ANIMAL},
};

/* What may follow a verb. */
typedef enum frame { OBJECT, GIVING, ALONE, TO_GOAL, FROM_GOAL, IN_ROOM } frame;

typedef struct verb {
    const char *en, *en_s, *en_past, *en_ing, *particle; /* looks + for */
    const char *fr;                                      /* infinitive */
    const char *je, *il, *nous, *vous, *ils;             /* present */
    const char *participle, *future, *imperfect;         /* stems: + ai a ont; + ais ait aient */
    frame frame;
    int subjects, objects;
    int etre;   /* passé composé with être */
    int moment; /* happens at once: no progressive */
} verb;

static const verb verbs[] = {
    {"see", "sees", "saw", 0, 0, "voir", "vois", "voit", "voyons", "voyez", "voient", "vu", "verr", "voy", OBJECT, PERSON | ANIMAL, PERSON | ANIMAL | THING | BIG, 0, 1},
    {"watch", "watches", "watched", "watching", 0, "regarder", "regarde", "regarde", "regardons", "regardez", "regardent", "regardé", "regarder", "regard", OBJECT, PERSON | ANIMAL, PERSON | ANIMAL, 0, 0},
    {"follow", "follows", "followed", "following", 0, "suivre", "suis", "suit", "suivons", "suivez", "suivent", "suivi", "suivr", "suiv", OBJECT, PERSON | ANIMAL, PERSON | ANIMAL, 0, 0},
    {"look", "looks", "looked", "looking", "for", "chercher", "cherche", "cherche", "cherchons", "cherchez", "cherchent", "cherché", "chercher", "cherch", OBJECT, PERSON | ANIMAL, PERSON | ANIMAL | FOOD | THING, 0, 0},
    {"find", "finds", "found", 0, 0, "trouver", "trouve", "trouve", "trouvons", "trouvez", "trouvent", "trouvé", "trouver", "trouv", OBJECT, PERSON | ANIMAL, ANIMAL | FOOD | THING, 0, 1},
    {"love", "loves", "loved", 0, 0, "aimer", "aime", "aime", "aimons", "aimez", "aiment", "aimé", "aimer", "aim", OBJECT, PERSON | ANIMAL, PERSON | ANIMAL | FOOD | TEXT, 0, 1},
    {"help", "helps", "helped", "helping", 0, "aider", "aide", "aide", "aidons", "aidez", "aident", "aidé", "aider", "aid", OBJECT, PERSON, PERSON, 0, 0},
    {"invite", "invites", "invited", 0, 0, "inviter", "invite", "invite", "invitons", "invitez", "invitent", "invité", "inviter", "invit", OBJECT, PERSON, PERSON, 0, 1},
    {"eat", "eats", "ate", "eating", 0, "manger", "mange", "mange", "mangeons", "mangez", "mangent", "mangé", "manger", "mange", OBJECT, PERSON | ANIMAL, FOOD, 0, 0},
    {"cut", "cuts", "cut", "cutting", 0, "couper", "coupe", "coupe", "coupons", "coupez", "coupent", "coupé", "couper", "coup", OBJECT, PERSON, FOOD, 0, 0},
    {"buy", "buys", "bought", "buying", 0, "acheter", "achète", "achète", "achetons", "achetez", "achètent", "acheté", "achèter", "achet", OBJECT, PERSON, ANIMAL | FOOD | THING | FRAIL, 0, 0},
    {"sell", "sells", "sold", "selling", 0, "vendre", "vends", "vend", "vendons", "vendez", "vendent", "vendu", "vendr", "vend", OBJECT, PERSON, ANIMAL | FOOD | THING | BIG, 0, 0},
    {"read", "reads", "read", "reading", 0, "lire", "lis", "lit", "lisons", "lisez", "lisent", "lu", "lir", "lis", OBJECT, PERSON, TEXT, 0, 0},
    {"write", "writes", "wrote", "writing", 0, "écrire", "écris", "écrit", "écrivons", "écrivez", "écrivent", "écrit", "écrir", "écriv", OBJECT, PERSON, TEXT, 0, 0},
    {"open", "opens", "opened", "opening", 0, "ouvrir", "ouvre", "ouvre", "ouvrons", "ouvrez", "ouvrent", "ouvert", "ouvrir", "ouvr", OBJECT, PERSON, LID, 0, 0},
    {"close", "closes", "closed", "closing", 0, "fermer", "ferme", "ferme", "fermons", "fermez", "ferment", "fermé", "fermer", "ferm", OBJECT, PERSON, LID, 0, 0},
    {"lose", "loses", "lost", 0, 0, "perdre", "perds", "perd", "perdons", "perdez", "perdent", "perdu", "perdr", "perd", OBJECT, PERSON, THING, 0, 1},
    {"take", "takes", "took", "taking", 0, "prendre", "prends", "prend", "prenons", "prenez", "prennent", "pris", "prendr", "pren", OBJECT, PERSON, FOOD | THING, 0, 0},
    {"hide", "hides", "hid", "hiding", 0, "cacher", "cache", "cache", "cachons", "cachez", "cachent", "caché", "cacher", "cach", OBJECT, PERSON, FOOD | THING, 0, 0},
    {"wash", "washes", "washed", "washing", 0, "laver", "lave", "lave", "lavons", "lavez", "lavent", "lavé", "laver", "lav", OBJECT, PERSON, ANIMAL | FOOD | BIG, 0, 0},
    {"repair", "repairs", "repaired", "repairing", 0, "réparer", "répare", "répare", "réparons", "réparez", "réparent", "réparé", "réparer", "répar", OBJECT, PERSON, FRAIL, 0, 0},
    {"break", "breaks", "broke", "breaking", 0, "casser", "casse", "casse", "cassons", "cassez", "cassent", "cassé", "casser", "cass", OBJECT, PERSON | ANIMAL, FRAIL, 0, 0},

    {"give", "gives", "gave", "giving", 0, "donner", "donne", "donne", "donnons", "donnez", "donnent", "donné", "donner", "donn", GIVING, PERSON, FOOD | THING, 0, 0},
    {"show", "shows", "showed", "showing", 0, "montrer", "montre", "montre", "montrons", "montrez", "montrent", "montré", "montrer", "montr", GIVING, PERSON, THING | BIG, 0, 0},
    {"bring", "brings", "brought", "bringing", 0, "apporter", "apporte", "apporte", "apportons", "apportez", "apportent", "apporté", "apporter", "apport", GIVING, PERSON, FOOD | THING, 0, 0},

    {"work", "works", "worked", "working", 0, "travailler", "travaille", "travaille", "travaillons", "travaillez", "travaillent", "travaillé", "travailler", "travaill", ALONE, PERSON, 0, 0, 0},
    {"sing", "sings", "sang", "singing", 0, "chanter", "chante", "chante", "chantons", "chantez", "chantent", "chanté", "chanter", "chant", ALONE, PERSON, 0, 0, 0},
    {"sleep", "sleeps", "slept", "sleeping", 0, "dormir", "dors", "dort", "dormons", "dormez", "dorment", "dormi", "dormir", "dorm", ALONE, PERSON | ANIMAL, 0, 0, 0},
    {"dance", "dances", "danced", "dancing", 0, "danser", "danse", "danse", "dansons", "dansez", "dansent", "dansé", "danser", "dans", ALONE, PERSON, 0, 0, 0},
    {"run", "runs", "ran", "running", 0, "courir", "cours", "court", "courons", "courez", "courent", "couru", "courr", "cour", ALONE, PERSON | ANIMAL, 0, 0, 0},
    {"play", "plays", "played", "playing", 0, "jouer", "joue", "joue", "jouons", "jouez", "jouent", "joué", "jouer", "jou", ALONE, PERSON | ANIMAL, 0, 0, 0},
    {"wait", "waits", "waited", "waiting", 0, "attendre", "attends", "attend", "attendons", "attendez", "attendent", "attendu", "attendr", "attend", ALONE, PERSON | ANIMAL, 0, 0, 0},

    {"go", "goes", "went", "going", 0, "aller", "vais", "va", "allons", "allez", "vont", "allé", "ir", "all", TO_GOAL, PERSON, 0, 1, 0},
    {"arrive", "arrives", "arrived", "arriving", 0, "arriver", "arrive", "arrive", "arrivons", "arrivez", "arrivent", "arrivé", "arriver", "arriv", TO_GOAL, PERSON, 0, 1, 0},
    {"come", "comes", "came", "coming", 0, "venir", "viens", "vient", "venons", "venez", "viennent", "venu", "viendr", "ven", FROM_GOAL, PERSON, 0, 1, 0},
    {"stay", "stays", "stayed", "staying", 0, "rester", "reste", "reste", "restons", "restez", "restent", "resté", "rester", "rest", IN_ROOM, PERSON | ANIMAL, 0, 1, 0},
};

/* Verbs that take another verb, and verbs that take a clause. Present only. */
typedef struct helper {
    const char *en, *en_s, *je, *il, *nous, *vous, *ils;
} helper;
enum { WANT, CAN, MUST };
static const helper modals[] = {
    {"want", "wants", "veux", "veut", "voulons", "voulez", "veulent"},
    {"can", "can", "peux", "peut", "pouvons", "pouvez", "peuvent"},
    {"must", "must", "dois", "doit", "devons", "devez", "doivent"},
};
static const helper thoughts[] = {
    {"think", "thinks", "pense", "pense", "pensons", "pensez", "pensent"},
    {"say", "says", "dis", "dit", "disons", "dites", "disent"},
    {"know", "knows", "sais", "sait", "savons", "savez", "savent"},
};
// clang-format on

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

#endif
