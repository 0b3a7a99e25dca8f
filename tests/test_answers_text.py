"""Short answers in words: what a fair marker accepts and what not."""

import pytest

from answers import extract, grade

RIGHT = [
    # the same words in other clothes
    ("Mitochondria", "mitochondrion"), ("The mitochondria.", "Mitochondrion"), ("the Krebs cycle", "Krebs cycle"), ("beta-decay", "β decay"), ("α-particle", "alpha particle"), ("X-rays", "x ray"), ("Co-valent bonds", "covalent bond"), ("Photosynthesis.", "photosynthesis"), ("three", "3"), ("3 electrons", "three electrons"),
    ("H₂O", "H2O"), ("$\\mathrm{H_2O}$", "H2O"), ("\\ce{H2O}", "H₂O"), ("The formula is CO2.", "CO₂"), ("Na⁺", "Na+"), ("The ion is Na+.", "Na⁺"), ("SO4^{2-}", "SO₄²⁻"), ("sulfuric acid", "sulphuric acid"), ("Aluminium", "aluminum"), ("naïve Bayes", "naive bayes"), ("Schrodinger equation", "Schrödinger equation"),
    ("first-order", "First order"), ("the 19th century", "nineteenth century"), ("DNA polymerase", "DNA polymerases"), ("**Covalent bond**", "covalent bond"), ("\\boxed{\\text{mitochondria}}", "mitochondria"), ("Answer: Ohm's law", "Ohm’s law"), ("haemoglobin", "hemoglobin"), ("The colour is blue", "blue"),
    # sentences that state it
    ("The capital of France is Paris.", "Paris"), ("Paris is the capital of France.", "Paris"), ("It was discovered by Alexander Fleming in 1928.", "Alexander Fleming"), ("The answer is mitochondria because they make ATP.", "mitochondria"), ("Answer: oxygen (O2)", "oxygen"), ("The process is called osmosis.", "osmosis"),
    ("They are held together by hydrogen bonds between the bases.", "hydrogen bonds"), ("This is Newton's second law of motion.", "Newton's second law"), ("Newton's second law", "Newton's second law of motion"), ("The law of conservation of energy", "conservation of energy"), ("Isaac Newton", "Sir Isaac Newton"), ("Newton", "Isaac Newton"),
    ("John F. Kennedy", "John Kennedy"), ("It increases.", "increases"), ("The rate will increase", "increase"), ("So the final answer is: **the nucleus of the cell**.", "nucleus"), ("covalent", "covalent bond"), ("Therefore, the gas is carbon dioxide.", "carbon dioxide"), ("central processing unit", "CPU"),
    # alternatives and lists
    ("vitamin C", "ascorbic acid (also known as vitamin C)"), ("ascorbic acid", "ascorbic acid (vitamin C)"), ("vitamin C", "vitamin C or ascorbic acid"), ("ascorbic acid", "vitamin C / ascorbic acid"), ("TCA cycle", "Krebs cycle, also known as TCA cycle"), ("oxygen and nitrogen", "nitrogen and oxygen"), ("nitrogen, oxygen, and argon", "oxygen, nitrogen, argon"),
    ("deoxyribonucleic acid (DNA)", "DNA"), ("DNA", "deoxyribonucleic acid (DNA)"),
    # numbers, units and dates
    ("approximately 9.8 m/s²", "9.8 m/s^2"), ("The speed is 3 x 10^8 m/s", "3.00 × 10⁸ m/s"), ("It takes 2 hours.", "120 minutes"), ("pH = 4.7", "4.7"), ("4.7", "pH = 4.7"), ("Water boils at 100 °C at sea level.", "100 °C"), ("100 degrees Celsius", "100 °C"), ("The mass is 5.0 kg.", "5 kg"), ("July 4, 1776", "4 July 1776"), ("1776-07-04", "July 4, 1776"),
    ("It happened in 1945.", "1945"), ("It was signed on 4 July 1776 in Philadelphia.", "1776"), ("about 50%", "50 %"), ("1,000 kg", "1000 kg"), ("3:1", "3:1"), ("F = ma", "F=ma"), ("ten", "10"), ("There are 46 chromosomes.", "46"), ("25 °C", "298 K"), ("0.5 mol/L", "0.50 M"), ("about 3 to 1", "3 to 1"), ("six carbon atoms", "6"),
    # yes, no, true, false
    ("Yes, it does.", "yes"), ("No, because energy is conserved.", "No"), ("The statement is false.", "False"), ("True", "true"), ("It is not true.", "false"), ("Yes", "Yes"),
    # long explanations
    ("Because the pressure increases when the volume of the gas decreases at constant temperature.", "The pressure increases as the volume decreases at constant temperature"),
]  # fmt: skip

WRONG = [
    ("ribosome", "mitochondrion"), ("It is not the mitochondrion.", "mitochondrion"), ("It decreases.", "increases"), ("London", "Paris"), ("CO", "Co"), ("Co", "CO"), ("CO", "CO2"), ("Na", "Na+"), ("ethane", "ethene"), ("nitrite", "nitrate"), ("sulfide", "sulfate"), ("hypertension", "hypotension"), ("acid", "nitric acid"), ("bond", "covalent bond"),
    ("6 g", "6 mol"), ("5", "6"), ("100 K", "100 °C"), ("1777", "1776"), ("3 or 4", "3"), ("Yes", "no"), ("No", "yes"), ("It is true.", "false"), ("The statement is incorrect.", "True"), ("I do not know.", "Paris"), ("", "Paris"), ("<think>Paris", "Paris"), ("oxygen, nitrogen and argon", "oxygen and nitrogen"), ("oxygen", "oxygen and nitrogen"),
    ("July 4, 1776", "July 5, 1776"), ("either oxygen or nitrogen", "oxygen"), ("iron rather than copper", "copper"), ("everything except iron", "iron"), ("The pressure decreases as the volume increases at constant temperature", "The pressure increases as the volume decreases at constant temperature"), ("north", "south"), ("1.5", "15"), ("2", "12"),
    ("alpha particle", "beta particle"), ("an element", "a compound"), ("Thomas Newton", "Isaac Newton"), ("Albert", "Albert Einstein"), ("France", "Paris (France)"), ("neither", "oxygen"), ("exothermic", "endothermic"), ("The answer is helium. It is not hydrogen.", "hydrogen"),
]  # fmt: skip


@pytest.mark.parametrize("response, reference", RIGHT, ids=range(len(RIGHT)))
def test_right(response, reference):
    assert grade(response, reference, "short_text"), extract(response, "short_text")


@pytest.mark.parametrize("response, reference", WRONG, ids=range(len(WRONG)))
def test_wrong(response, reference):
    assert not grade(response, reference, "short_text"), extract(response, "short_text")


def test_options_and_lists_of_references():
    assert extract(
        "I think that it is the bicycle.", "short_text", ["car", "bicycle"]
    ) == "bicycle" and grade("(B)", "bicycle", "short_text", ["car", "bicycle"])
    assert grade("Paris", ["London", "Paris"], "short_text") and not grade(
        "Rome", ["London", "Paris"], "short_text"
    )
    assert grade("6", "6", "short_text", unit="mol") and not grade(
        "6 g", "6", "short_text", unit="mol"
    )


def test_marked_answer_counts_not_the_text_around_it():
    text = "Iron is a metal and so is copper. Both conduct. However, only one is magnetic at room temperature.\n\nAnswer: iron"
    assert (
        extract(text, "short_text") == "iron"
        and grade(text, "iron", "short_text")
        and not grade(text, "copper", "short_text")
    )


def test_a_number_behind_a_colon_is_stated_and_a_part_of_a_ratio_is_not():
    assert grade("The final velocity: 25 m/s, downwards and constant.", "25 m/s", "short_text")
    assert grade("Final velocity of the car: 25 m/s (it was 5 m/s before)", "25 m/s", "short_text")
    assert not grade("The ratio of the turns is 12:1 in this transformer.", "one", "short_text")
