"""Answers of science with units, signs, ratios, formulas of chemistry: both as mathematics and as short text."""

import pytest

from answers import extract, grade

# (response, reference, right)
CASES = [
    ('To find the molarity we divide.\n\n**Molarity = 0.25 M**', '0.25 M', True), ('### Final Answer\nThe acceleration is approximately **2.45 m/s²** downward.', '2.45 m/s^2', True), ('The answer is approximately 4.2 × 10^-7 m, or 420 nm.', '420 nm', True),
    ('ΔH = −285.8 kJ/mol', '-285.8 kJ/mol', True), ('$$\\boxed{E \\approx 3.2 \\times 10^{-19} \\text{ J} = 2.0 \\text{ eV}}$$', '2.0 eV', True), ('The pH is therefore pH ≈ 4.74', '4.74', True),
    ('pH ≈ 4.74.', '4.7', True), ('57.2 kJ/mol', '-57.2 kJ mol⁻¹', False), ('The distance is 150 million km.', '1.5 × 10^8 km', True),
    ('zero', '0', True), ('The net force is zero.', '0 N', True), ('The answer is 0', 'zero', True),
    ('9.8 m/s²', '9.8 m/s^2 downward', True), ('9.8 m/s² downward', '9.8 m/s^2', True), ('one quarter', '25%', True),
    ('1/4', '25%', True), ('0.25', '25 %', True), ('2 to 1', '2:1', True),
    ('2:1', '2 to 1', True), ('3:1', '1:3', False), ('infinite', 'infinity', True),
    ('\\infty', 'infinity', True), ('+2', '+2', True), ('-2', '+2', False),
    ('Fe2+', 'Fe3+', False), ('1s^2 2s^2 2p^5', '1s2 2s2 2p6', False), ('CH₃COOH', 'CH3COOH', True),
    ('The compound is CH3COOH (acetic acid).', 'acetic acid', True), ('3\\hat{i}+4\\hat{j}', '3i + 4j', True), ('200 min', '3 h 20 min', True),
    ('3 hours and 20 minutes', '200 min', True), ('5 ft 6 in', '66 inches', True), ('10^{-14}', '1.0 × 10^-14', True),
    ('5.6 mg/dL', '5.6 mg/dL', True), ('5 μg', '5 µg', True), ('5 micrograms', '5 μg', True),
    ('120/80 mmHg', '120/80 mmHg', True), ('x = 2 or x = 3', '2, 3', True), ('approximately 6.0 N, directed to the left', '6 N', True),
    ('6.0 N to the left', '6.0 N', True), ('The final temperature is 24.6°C.', '24.6 °C', True), ('T = 297.8 K (24.6 °C)', '24.6 °C', True),
    ('The wavelength is $\\lambda = 656\\,\\text{nm}$.', '656 nm', True), ('\\boxed{656 \\times 10^{-9} \\, \\text{m}}', '656 nm', True), ('\\boxed{6.56 \\times 10^{-7}}', '656 nm', False),
    ('The molar mass is 44.01 g/mol.', '44 g/mol', True), ('44.0', '44.01 g/mol', True), ('$K_{eq} = 2.5 \\times 10^{3}$', '2500', True),
    ('The half-life is 5,730 years', '5730 years', True), ('5730 yr', '5730 years', True), ('2.0 \\times 10^{2} N', '200 N', True),
    ('The speed of light is about 300,000 km/s.', '3 × 10^8 m/s', True), ('6.022 × 10²³ molecules', '6.02e23', True), ('4 protons', '4', True),
    ('\\boxed{\\text{2.5 hours}}', '2.5 h', True), ('2.5 h', '150 minutes', True), ('0.75 mol', '0.75 moles', True),
    ('\\boxed{12.0\\ \\mathrm{cm^3}}', '12 mL', True), ('12 mL', '12 cm³', True), ('1.0 g/cm^3', '1000 kg/m³', True),
    ('8.314 J/(mol·K)', '8.314 J mol^-1 K^-1', True), ('8.314 J/mol-K', '8.314 J mol^-1 K^-1', True), ('5.67e-8 W m^-2 K^-4', '5.67 × 10⁻⁸ W/m²K⁴', True),
    ('1 Pa', '1 N/m^2', True), ('1 kWh', '3.6 MJ', True), ('Answer: 13.6 eV', '-13.6 eV', False),
    ('-13.6 eV', '-13.6 eV', True), ('\\frac{1}{4\\pi\\epsilon_0}\\frac{q}{r^2}', '\\frac{q}{4\\pi\\epsilon_0 r^2}', True), ('F = \\frac{Gm_1m_2}{r^2}', 'G m_1 m_2 / r^2', True),
    ('v = \\sqrt{2gh}', '\\sqrt{2gh}', True), ('v=\\sqrt{gh}', '\\sqrt{2gh}', False), ('E = mc^2', 'mc^2', True),
    ('$\\theta = 30^\\circ$', '30 degrees', True), ('0.524 rad', '30°', True), ('2 significant figures', '2', True),
    ('The answer is $1.5\\,\\Omega$', '1.5 ohms', True), ('5 kΩ', '5 kOhm', True), ('15 %', '15%', True),
    ('16 %', '15 %', False), ('10-15 cm', '10–15 cm', True), ('5.0 ± 0.2 cm', '5.0 cm', True),
    ('4 times', '4', True), ('a factor of 4', '4', True), ('It quadruples', '4 times', False),
    ('(3.0 ± 0.1) × 10^8 m/s', '3.0 × 10^8 m/s', True), ('$3.00\\times10^8$ meters per second', '3 × 10^8 m/s', True), ('7.5 m/s at 30° above the horizontal', '7.5 m/s', True),
    ('$\\vec{F} = 6.0\\,\\mathrm{N}\\,\\hat{x}$', '6.0 N', True), ('1000 kg m^-3', '1 g/cm3', True), ('0.10 mol dm⁻³', '0.10 M', True),
    ('0.10 mol dm-3', '0.10 M', True), ('3 m s-1', '3 m/s', True), ('45 L/min', '0.75 L/s', True),
    ('2.2 lb', '1 kg', True), ('1.6 km', '1 mile', True), ('101.3 kPa', '1 atm', True),
    ('The rate doubles.', 'doubles', True), ('H2SO4', 'H₂SO₄', True),
    ('+3', '3', True), ('n = 3', '3', True), ('Δx = 0.5 m', '0.5 m', True),
    ('sp2', 'sp3', False), ('1/2', '0.50', True), ('p = 0.03', '0.03', True),
    ('log(2)', '0.301', False),
]  # fmt: skip
TEXT_ONLY = [
    ('Fe^{3+}', 'Fe3+', True), ('Fe³⁺', 'Fe^3+', True), ('1s² 2s² 2p⁶', '1s2 2s2 2p6', True),
    ('There are 4 protons and 5 neutrons.', '4 protons and 5 neutrons', True), ('about 12 cm', '10-15 cm', True), ('The conjugate base is HSO4-.', 'HSO₄⁻', True),
    ('Group 17', '17', True), ('sp3', 'sp³', True), ('sp^3 hybridized', 'sp3', True),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["math", "short_text"])
@pytest.mark.parametrize("number", range(len(CASES)))
def test_science_answers(number, kind):
    response, reference, right = CASES[number]
    assert grade(response, reference, kind) == right, extract(response, kind)


@pytest.mark.parametrize("response, reference, right", TEXT_ONLY)
def test_science_words(response, reference, right):
    assert grade(response, reference, "short_text") == right, extract(response, "short_text")
